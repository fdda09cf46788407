"""The softmax family: class weights and a margin, one member a file."""
