"""Paper 40: Rethinking Bottleneck Structure for Efficient Mobile Network Design (MobileNeXt)."""
