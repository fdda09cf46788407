"""Which class weights take part in a step, where they lie, and which process has them."""
