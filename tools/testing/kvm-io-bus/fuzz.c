// SPDX-License-Identifier: GPL-2.0-only
/* libFuzzer's door: an input is a program. */
#include "bus_and_model.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct program p;

	if (!program_from_bytes(&p, data, size))
		return 0;
	if (!program_run(&p) || !program_starve(&p) || !program_interleave(&p))
		abort();
	return 0;
}
