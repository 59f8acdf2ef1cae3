# Where a doorbell was removed from, the search for others ends
# file: io_bus_doorbell.c
# caught by: random
/^void kvm_io_register_del/,/^}/s/&tombstone/NULL/
