# Without memory for a smaller array the whole bus goes (CVE-2020-36312,
# CVE-2021-47060, CVE-2021-47061)
# file: io_bus_ranges.c
# caught by: regress unregister_without_memory
/^bool kvm_io_ranges_del/,/^}/{
/for (i = 0;/i\
	void *smaller = kmalloc(64, GFP_KERNEL_ACCOUNT);\
	if (!smaller) {\
		kvm_io_ranges_destroy(ranges);\
		return true;\
	}\
	kfree(smaller);
}
