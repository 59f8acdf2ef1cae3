# An eventfd gets a second irqfd
# file: irqfd.c
# caught by: irqfd one_irqfd_per_eventfd
s/ret = -EBUSY;/ret = 0;/
