"""What event files hold beside scalars: pictures, sounds, histograms, texts, hyperparameters.

Each kind's module turns bytes that the reader found into typed values, by the wire format alone:
no TensorFlow, no TensorBoard, nothing that a file can make grow without bound.
"""
