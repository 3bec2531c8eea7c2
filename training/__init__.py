"""How the bundled corpus and the bundled model are made; nothing in ``datagen`` imports from here."""
