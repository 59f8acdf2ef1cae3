# A larger table has a doorbell in the slot of another value
# file: io_bus_doorbell.c
# caught by: random
s/up = doorbell \&\& (doorbell->data & slots);/up = false;/
