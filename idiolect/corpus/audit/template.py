"""What the public summary asks: the European Commission's template of 24 July 2025 under article 53(1)(d) AI Act.

Its sections and fields, in our words; each field has a key that its provider answers under.
"""

FIELDS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "1.1 Provider identification",
        (
            ("provider", "Provider name and contact details"),
            ("representative", "Authorised representative, name and contact details"),
        ),
    ),
    (
        "1.2 Model identification",
        (
            ("model", "Versioned model names"),
            ("dependencies", "Model dependencies: the models it was made from"),
            ("placed_on_market", "Date of placement on the Union market"),
        ),
    ),
    (
        "1.3 Modalities, overall size of the training data and other characteristics",
        (
            ("modalities", "Modalities and size of the training data"),
            ("content_types", "Types of content"),
            ("collected_until", "Latest date of data acquisition, and whether training goes on"),
            ("linguistic", "Linguistic characteristics"),
            ("characteristics", "Other relevant characteristics"),
        ),
    ),
    (
        "2.1 Publicly available datasets",
        (
            ("public_datasets", "Large publicly available datasets (over 3 % of the public data of the modality)"),
            ("other_public_datasets", "Other publicly available datasets"),
        ),
    ),
    (
        "2.2 Private datasets obtained from third parties",
        (
            ("licensed_datasets", "Datasets licensed commercially by rightsholders or their representatives"),
            ("private_datasets", "Private datasets from other third parties"),
        ),
    ),
    (
        "2.3 Data crawled and scraped from online sources",
        (
            ("crawlers", "Crawlers: names, purposes, and how they behave"),
            ("crawl_period", "Period of collection"),
            ("crawled_content", "Content and kinds of sources"),
            ("domains", "Most relevant domain names"),
        ),
    ),
    (
        "2.4 User data",
        (
            ("user_data_model", "Data from interactions of users with the model"),
            ("user_data_services", "Data from interactions of users with other services of the provider"),
        ),
    ),
    (
        "2.5 Synthetic data",
        (("synthetic", "Data made by AI for this training, and the models that made it"),),
    ),
    (
        "2.6 Other sources",
        (("other_sources", "Data from sources of none of these kinds"),),
    ),
    (
        "3.1 Respect of reservations of rights from text and data mining",
        (
            ("code_of_practice", "Is the provider a signatory of the Code of Practice for general-purpose AI models?"),
            ("opt_outs", "Measures to respect reservations of rights before and during collection"),
        ),
    ),
    (
        "3.2 Removal of illegal content",
        (("illegal_content", "Measures to avoid or remove illegal content"),),
    ),
    (
        "3.3 Other information",
        (("other_information", "Anything else about the processing of the data (optional)"),),
    ),
)
# Small and medium enterprises may list fewer domains, so their provider says whether it is one.
ASKED = (*(key for _, fields in FIELDS for key, _ in fields), "small_enterprise")
