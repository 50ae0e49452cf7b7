"""The room's pages of everything but curves: images, sounds, histograms, texts, hyperparameters."""
