"""One page on what a store holds and what its encoder has learnt: numbers, figures and their explanation."""
