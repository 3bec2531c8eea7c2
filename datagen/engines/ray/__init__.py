"""Where a run is spread over the machines of a Ray cluster; nothing but ``cluster`` and ``actors`` loads Ray."""
