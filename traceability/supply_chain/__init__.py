"""What happened to things: state, containment and provenance as folds over the events that a reader may see."""
