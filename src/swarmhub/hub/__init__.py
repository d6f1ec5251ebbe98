"""The hub: the consortium as one hospital's people see it, in a browser and over REST.

    process      the child process of a node; it opens no key
    watching     the ledger, followed; the read model, fed; browsers, told
    read_model   the ledger's record in SQLite, for lists and searches
    acts         asks the node to have an act signed
    auth         users, roles, sessions, links that work once
    app          the server: guards, routes
    rest         /api/v1, and its OpenAPI document
    web          pages, templates, texts, assets

Pages, REST and commands are faces of the functions in `operations`.
"""
