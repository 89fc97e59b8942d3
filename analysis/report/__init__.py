"""One page on what a store holds and what its encoder has learnt: the numbers, the figures and what they mean."""
