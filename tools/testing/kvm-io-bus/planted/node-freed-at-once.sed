# A kick still searches the node that is freed
# file: io_bus_index.c
# caught by: interleave
s/kfree_rcu(node, rcu);/kfree(node);/
