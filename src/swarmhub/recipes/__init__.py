"""Ready-made models that a study can name.

    tabular    the interface of a recipe for tables, and making one by name
    logistic   logistic regression, by consensus ADMM: ends at the pooled solution
    mlp        one hidden layer beside a linear path
    solver     the convex problem that both solve at a site
    trainer    a hospital's trainer, from statistics to the last model
    scoring    a model in one file, used without a node

numpy only. A recipe sees matrices, never files; `swarmhub.data` makes them.
"""
