"""Print the exact scores of a file by a model: MODEL FILE."""

import sys

import swarmhub

model = swarmhub.load_model(sys.argv[1])
for value in model.predict(sys.argv[2]).predicted.ravel().tolist():
    print(value.hex())
