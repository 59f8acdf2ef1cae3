/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_UACCESS_H
#define SHIM_LINUX_UACCESS_H

/*
 * Memory of userspace: addresses without memory behind them. Tests see each store.
 * How a page behaves is told by its number.
 */
#define SHIM_USER_PAGE	0x1000ul
#define SHIM_USER_END	0x7ffffffff000ul

enum shim_user_page {
	SHIM_USER_THERE,	/* it can be written */
	SHIM_USER_AWAY,		/* each store needs a page fault */
	SHIM_USER_GONE,		/* a page fault finds nothing */
	SHIM_USER_FLEETING,	/* a page fault does not help */
	SHIM_USER_PAGES
};

static inline enum shim_user_page shim_user_page(unsigned long addr)
{
	return addr / SHIM_USER_PAGE % SHIM_USER_PAGES;
}

extern void (*shim_on_store)(unsigned long addr, int len, u64 value);
extern __thread int shim_pagefault_disabled;

int shim_put_user(unsigned long addr, int len, u64 value);
size_t fault_in_safe_writeable(const char *uaddr, size_t size);

#define pagefault_disable()	((void)shim_pagefault_disabled++)
#define pagefault_enable()	((void)shim_pagefault_disabled--)
#define __put_user(x, p)	shim_put_user((unsigned long)(p), sizeof(*(p)), x)
/* As with tags in the highest byte */
#define untagged_addr(addr)	((addr) & ~(0xfful << 56))
#define access_ok(p, size) \
	((size) <= SHIM_USER_END && (unsigned long)(p) <= SHIM_USER_END - (size))

#endif /* SHIM_LINUX_UACCESS_H */
