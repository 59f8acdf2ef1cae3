# An interrupt is served while other vCPUs spin on the ioeventfd's lock
# file: ioeventfd_set.h
# caught by: regress doorbell_rules
s/spin_lock_irqsave(&ioeventfd->lock, flags);/spin_lock(\&ioeventfd->lock); flags = 0;/
s/spin_unlock_irqrestore(&ioeventfd->lock, flags);/spin_unlock(\&ioeventfd->lock); (void)flags;/
