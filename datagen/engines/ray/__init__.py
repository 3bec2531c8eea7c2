"""Where the parts of a run are spread over the machines of a Ray cluster; nothing outside this folder loads Ray."""
