"""What a datasheet asks, section by section: Gebru et al., "Datasheets for Datasets" (arXiv 1803.09010v8, section 3).

Each question has a key: what only the author knows is answered under it in the file that `corpus.about` names.
"""

SECTIONS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Motivation",
        (
            ("purpose", "For what purpose was the corpus made? Was there a task in mind, a gap to be filled?"),
            ("creators", "Who made it, and on behalf of whom?"),
            ("funding", "Who paid for it?"),
            ("motivation_remarks", "Anything else about the motivation?"),
        ),
    ),
    (
        "Composition",
        (
            ("instances", "What do the instances represent? Are there several kinds of them?"),
            ("number", "How many instances are there, of each kind?"),
            ("sample", "Are these all instances there are, or a sample of a larger set? Is it representative?"),
            ("data", "What does each instance consist of?"),
            ("labels", "Does each instance have a label or target?"),
            ("missing", "Is information missing from single instances?"),
            ("relationships", "Are relationships between instances made explicit?"),
            ("splits", "Are there recommended splits, and what is their rationale?"),
            ("errors", "Are there errors, sources of noise, or redundancies?"),
            ("self_contained", "Is it self-contained, or does it depend on something outside that may change?"),
            ("confidential", "Does it hold data that might be considered confidential?"),
            ("offensive", "Does it hold text that might offend, insult, threaten or cause anxiety?"),
            ("subpopulations", "Does it identify subpopulations (by age, gender, ...)? How are they distributed?"),
            ("identifiable", "Can individuals be identified in it, directly or together with other data?"),
            ("sensitive", "Does it hold data that might be considered sensitive (origin, religion, health, ...)?"),
            ("composition_remarks", "Anything else about the composition?"),
        ),
    ),
    (
        "Collection process",
        (
            ("acquired", "How was each instance acquired: observed directly, reported by people, or inferred?"),
            (
                "mechanism",
                "By what means was it collected (hand, software, interface), and how were they checked?",
            ),
            ("sampling", "If it is a sample, what was the sampling strategy?"),
            ("collectors", "Who took part in the collection, and how were they paid?"),
            ("timeframe", "When was it collected, and does that match when the instances were written?"),
            ("ethics_review", "Was there an ethical review?"),
            ("directly", "Were the data taken from the individuals concerned, or through third parties?"),
            ("notified", "Were the individuals concerned told of the collection?"),
            ("consent", "Did they consent to the collection and use of their data?"),
            ("revocation", "If they consented, can they take their consent back?"),
            ("impact", "Was the impact on those concerned analysed (a data protection impact assessment, say)?"),
            ("collection_remarks", "Anything else about the collection?"),
        ),
    ),
    (
        "Preprocessing, cleaning and labelling",
        (
            ("preprocessing", "Was the text preprocessed, cleaned, filtered or labelled?"),
            ("raw", "Was the raw text kept besides the cleaned?"),
            ("software", "Is the software that did it available?"),
            ("preprocessing_remarks", "Anything else about the preprocessing?"),
        ),
    ),
    (
        "Uses",
        (
            ("used", "Has it been used for any task already?"),
            ("papers", "Is there a place that lists papers or systems which use it?"),
            ("other_uses", "What other tasks could it be used for?"),
            ("consequences", "Does its composition or making affect future uses? Could it lead to unfair treatment?"),
            ("unsuitable", "For which tasks should it not be used?"),
            ("uses_remarks", "Anything else about the uses?"),
        ),
    ),
    (
        "Distribution",
        (
            ("third_parties", "Will it be given to third parties?"),
            ("distributed", "How will it be distributed (archive, API, repository)? Does it have a DOI?"),
            ("distributed_when", "When will it be distributed?"),
            ("licence", "Under which licence or terms of use will it be distributed?"),
            ("restrictions", "Have third parties put restrictions on the data, by licence or otherwise?"),
            ("export_controls", "Do export controls or other regulations apply?"),
            ("distribution_remarks", "Anything else about the distribution?"),
        ),
    ),
    (
        "Maintenance",
        (
            ("maintainer", "Who supports, hosts and maintains it?"),
            ("contact", "How can they be reached?"),
            ("erratum", "Is there an erratum?"),
            ("updates", "Will it be updated: how often, by whom, and how is that told?"),
            ("retention", "If it relates to people, are there limits on how long their data are kept?"),
            ("older_versions", "Will older versions be supported?"),
            ("contributions", "Can others extend it or contribute to it? How is that checked?"),
            ("maintenance_remarks", "Anything else about the maintenance?"),
        ),
    ),
)
