# A fragment of odd width stops the host (since 2009, f1edbed787ba)
# file: io_bus_doorbell.h
# caught by: regress split_store
/Fragments of split stores/,/return NULL;/s/return NULL;/BUG();/
