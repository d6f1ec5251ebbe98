"""Ready-made models that a study over tables can name.

    plan       a study's stages, as its recipe needs them
    trainer    a hospital's trainer, from statistics to the last model
    linear     logistic, softmax and ridge regression, by consensus ADMM: the pooled solution
    mlp        one hidden layer beside a linear path
    survival   survival curves and Cox regression by sums; `cox` runs it in the stages of a study
    kinds      by kind of outcome: what is measured, published and counted of predictions

numpy only. A recipe sees matrices, never files; `swarmhub.data` makes them.
"""
