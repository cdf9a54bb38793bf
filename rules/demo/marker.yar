/* Put one of these texts into a file to see what a verdict looks like. */
rule Demo_Marker_Alpha
{
    meta:
        description = "a marker for demonstrations; harmless"
    strings:
        $a = "DEMO-MARKER-ALPHA-4f1f0a6c"
    condition:
        $a
}

rule Demo_Marker_Beta
{
    meta:
        description = "a marker for demonstrations; harmless"
    strings:
        $b = "DEMO-MARKER-BETA-9c0d77e1" ascii wide
    condition:
        $b
}
