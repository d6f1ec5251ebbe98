"""Ready-made models that a study over tables can name.

    registry   the recipes by name, and those of other packages
    plan       a study's stages, as its recipe needs them, and its options
    words      these stages in words, for people that decide on a study
    trainer    a hospital's trainer, from statistics to the last model
    kinds      by kind of outcome: what is measured, published and counted of predictions

    logistic       logistic, softmax and ridge regression; in `linear`, by consensus ADMM: the
                   pooled solution
    small_network  one hidden layer beside a linear path (`mlp`)
    cox            Cox regression by sums, with what `survival` has
    boosting       gradient-boosted trees by sums of histograms, with what `trees` has
    neural         deep networks of tables and images (`deep`, `cnn`)

numpy only, but for the training of deep networks (extra [torch]). A recipe sees matrices, never
files; `swarmhub.data` makes them.
"""
