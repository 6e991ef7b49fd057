"""Paper 08: TopoGAN: A Topology-Aware Generative Adversarial Network."""
