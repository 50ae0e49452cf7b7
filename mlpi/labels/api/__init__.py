"""Label Studio's REST API, for its SDK and for curl; `shapes` has the JSON, `asked` what comes."""
