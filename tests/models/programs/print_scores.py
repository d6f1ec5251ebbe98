"""Print the exact scores of a file by a model: MODEL FILE."""

import sys

import swarmhub

model = swarmhub.load_model(sys.argv[1])
scores = model.predict(sys.argv[2])
risks = scores.risk if scores.response.kind == "time_to_event" else scores.predicted[:0]
for value in [*scores.predicted.ravel().tolist(), *risks.ravel().tolist()]:
    print(value.hex())
