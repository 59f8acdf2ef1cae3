# A larger table has an ioeventfd in the slot of another value
# file: ioeventfd_set.c
# caught by: random
s/up = ioeventfd \&\& (ioeventfd->data & slots);/up = false;/
