"""Reference models, trained from scratch. They use genbench only as any other guest does: through its entry points."""
