# A deassignment takes the route from an event that is under way
# (CVE-2026-23198)
# file: irqfd.c
# caught by: irqfd route_stays_until_the_end
s/irqfd->state = KVM_IRQFD_DYING;/& irqfd->irq_entry.type = 0;/
