"""Deep networks as recipes: trained with PyTorch (extra [torch]) at each hospital, merged by the
weighted mean of all arrays.

    deep       the recipe `deep`: dense layers, as in the Swarm Learning paper
    cnn        the recipe `cnn`: convolutions of an image, then dense layers
    options    what the terms say of size, epochs and weight decay
    pixels     which features are an image, and where each pixel lies
    start      the parameters before the first round, alike at all hospitals
    training   a hospital's part in the rounds
    fitting    epochs of local training, with PyTorch
    networks   the forward passes, with PyTorch

Only `training`, `fitting` and `networks` need PyTorch. Predictions without it are in
`models.layers`. No layer normalises by batches: running means and variances would be merged as if
they were weights, which they are not where hospitals differ, and they are statistics of a
hospital's patients that would leave it without the minimum counts of `data.summaries`.
"""
