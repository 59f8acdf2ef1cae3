# An interrupt is served while other vCPUs spin on the doorbell's lock
# file: io_bus_doorbell.h
# caught by: regress doorbell_rules
s/spin_lock_irqsave(&doorbell->lock, flags);/spin_lock(\&doorbell->lock); flags = 0;/
s/spin_unlock_irqrestore(&doorbell->lock, flags);/spin_unlock(\&doorbell->lock); (void)flags;/
