"""An exported model: written, read, and used without a node.

exported      the model as a value
architecture  the arrays of each recipe, and its margins
networks      arrays and graphs of deep networks
layers        their layers, without PyTorch
response      predictions out of margins, by the kind of the outcome
survival      curves and risks of a model of times to an event
trees         the arrays and the margins of trees
arithmetic    sums and functions with the same bits on every machine
folder        the folder that 'swarmhub model export' writes
document      its model.json
card          its README.md
rows          new patients' rows, out of files or columns in memory
predict       the score of each row
evaluate      figures on patients with a known outcome
onnx          the same model for other programs
"""
