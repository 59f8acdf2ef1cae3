# Unregistering one device destroys others, too, when memory is short: their
# owner still walks a list of them (CVE-2021-47341)
# file: io_bus_register.c
# caught by: regress zones_unregistered_while_walked
/^void kvm_io_bus_unregister_dev/,/^}/{
/lockdep_assert_held/a\
	void *smaller = kmalloc(64, GFP_KERNEL_ACCOUNT);\
	const struct kvm_io_range *range;\
	unsigned int pos = 0;\
	while (!smaller && (range = kvm_io_ranges_next(&kvm->buses[bus_idx].ranges, &pos)))\
		if (range->dev != dev)\
			destruct(range->dev);\
	kfree(smaller);
}
