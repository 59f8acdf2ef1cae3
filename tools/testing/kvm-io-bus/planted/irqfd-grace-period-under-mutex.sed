# The end of a level-triggered irqfd sleeps for kvm->irq_srcu under the mutex
# file: irqfd_resample.c
# caught by: irqfd grace_period_not_under_mutex
/^void kvm_irqfd_resample_detach/,/^}/s/mutex_unlock(&kvm->irqfds.resampler_lock);/synchronize_srcu_expedited(\&kvm->irq_srcu); &/
