/* SPDX-License-Identifier: GPL-2.0-only */
/* shim.h and linux/uaccess.h have what is used of it. */
