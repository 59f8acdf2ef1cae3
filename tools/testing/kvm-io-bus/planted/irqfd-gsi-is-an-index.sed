# An interrupt number from userspace is used as an index (CVE-2017-1000252)
# file: irqfd.c
# caught by: irqfd gsi_out_of_range
s/n = kvm_irq_map_gsi(kvm, entries, irqfd->gsi);/entries[0] = kvm->routes->entry[irqfd->gsi]; n = 1;/
