# Nodes are not merged: a VM can make the tree as high and as large as it likes
# file: io_bus_index.c
# caught by: regress index_keeps_its_bounds
s/if (node->nr >= KVM_IO_INDEX_LEAST)/if (node->nr)/
