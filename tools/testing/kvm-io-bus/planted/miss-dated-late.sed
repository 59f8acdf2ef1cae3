# A miss is dated after the search that found it out, not before
# file: io_bus.c
# caught by: regress misses_known
/^static __always_inline struct found search(/,/^}/{
	/found.seq = ioeventfd_seq(kvm);/d
	s/^\tif (!found.set)/\tfound.seq = ioeventfd_seq(kvm);\n&/
}
