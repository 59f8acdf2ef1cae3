/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_ERR_H
#define SHIM_LINUX_ERR_H

static inline void *ERR_PTR(long err)
{
	return (void *)err;
}

static inline long PTR_ERR(const void *p)
{
	return (long)p;
}

static inline bool IS_ERR(const void *p)
{
	return (unsigned long)p >= (unsigned long)-4095;
}

#endif /* SHIM_LINUX_ERR_H */
