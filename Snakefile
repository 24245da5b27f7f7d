# What `snakemake --cores N` finds; the workflow itself is workflow/Snakefile.
include: "workflow/Snakefile"


# An include resets the default target, so this one hands over.
rule default:
    default_target: True
    input:
        rules.all.input,
    message:
        "Everything that the study asks for is made"
