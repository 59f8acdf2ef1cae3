// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "nvme.h"

#define REG_CAP			0x00
#define REG_VS			0x08
#define REG_CC			0x14
#define REG_CSTS		0x1c
#define REG_AQA			0x24
#define REG_ASQ			0x28
#define REG_ACQ			0x30

#define MAX_ENTRIES		256
/* Contiguous queues; 127 seconds to get ready; the NVM command set */
#define CAP			((MAX_ENTRIES - 1) | 1 << 16 | 254u << 24 | 1ull << 37)
#define VERSION			0x00010400

#define CC_ENABLE		0x1
#define CC_SHUTDOWN		0xc000
#define CSTS_READY		0x1
#define CSTS_FATAL		0x2
#define CSTS_SHUT_DOWN		0x8

#define SUBMISSION_SIZE		64
#define COMPLETION_SIZE		16

#define ADMIN_DELETE_SQ		0x00
#define ADMIN_CREATE_SQ		0x01
#define ADMIN_GET_LOG		0x02
#define ADMIN_DELETE_CQ		0x04
#define ADMIN_CREATE_CQ		0x05
#define ADMIN_IDENTIFY		0x06
#define ADMIN_ABORT		0x08
#define ADMIN_SET_FEATURES	0x09
#define ADMIN_ASYNC_EVENT	0x0c

#define IO_FLUSH		0x00
#define IO_WRITE		0x01
#define IO_READ			0x02

#define FEATURE_QUEUES		0x07
#define FEATURE_ASYNC_EVENT	0x0b

#define STATUS_OK		0x0000
#define STATUS_OPCODE		0x0001
#define STATUS_FIELD		0x0002
#define STATUS_TRANSFER		0x0004
#define STATUS_NAMESPACE	0x000b
#define STATUS_RANGE		0x0080
#define STATUS_QUEUE		0x0101
#define STATUS_DO_NOT_RETRY	0x4000
/* Not a status: no completion now */
#define LATER			0xffff

/* 128 KiB a command */
#define MAX_TRANSFER_SHIFT	5

struct command {
	u8 opcode, flags;
	u16 id;
	u32 namespace, reserved[4];
	u64 prp1, prp2;
	u32 dword[6];
};

struct completion {
	u32 result, reserved;
	u16 head, queue, id, status;
};

u64 nvme_read(struct nvme *nvme, u32 offset, u32 size)
{
	u64 value = 0;

	switch (offset & ~7u) {
	case REG_CAP:
		value = CAP;
		break;
	case REG_VS:
		value = VERSION;
		break;
	case REG_CC & ~7u:
		value = (u64)atomic_load(&nvme->config) << 32;
		break;
	case REG_CSTS & ~7u:
		value = (u64)atomic_load(&nvme->status) << 32;
		break;
	case REG_AQA & ~7u:
		value = (u64)nvme->admin_sizes << 32;
		break;
	case REG_ASQ:
		value = nvme->admin_submissions;
		break;
	case REG_ACQ:
		value = nvme->admin_completions;
		break;
	}
	value >>= 8 * (offset & 7);
	return size < 8 ? value & ((1ull << (8 * size)) - 1) : value;
}

/* A register of 64 bits, in one part or in two */
static void set_part(u64 *reg, u32 offset, u64 value, u32 size)
{
	memcpy((char *)reg + (offset & 4), &value, size == 8 ? 8 : 4);
}

void nvme_write(struct nvme *nvme, u32 offset, u64 value, u32 size)
{
	switch (offset) {
	case REG_CC:
		atomic_store(&nvme->config, value);
		break;
	case REG_AQA:
		nvme->admin_sizes = value;
		break;
	case REG_ASQ:
	case REG_ASQ + 4:
		set_part(&nvme->admin_submissions, offset, value, size);
		break;
	case REG_ACQ:
	case REG_ACQ + 4:
		set_part(&nvme->admin_completions, offset, value, size);
		break;
	}
}

static char *guest_memory(const struct nvme *nvme, u64 addr, u64 size)
{
	if (addr > nvme->memory_size || size > nvme->memory_size - addr)
		return NULL;
	return nvme->memory + addr;
}

/* One piece of a transfer: to the end of its page at most */
static bool copy_piece(struct nvme *nvme, u64 addr, char **data, u32 *left, bool to_guest)
{
	u32 size = NVME_PAGE - addr % NVME_PAGE;
	char *guest;

	if (size > *left)
		size = *left;
	guest = guest_memory(nvme, addr, size);
	if (!guest)
		return false;
	memcpy(to_guest ? guest : *data, to_guest ? *data : guest, size);
	*data += size;
	*left -= size;
	return true;
}

/* Between @data and the pages that a command names: two, or a list from the third on */
static u16 transfer(struct nvme *nvme, const struct command *command, char *data, u32 left,
		    bool to_guest)
{
	u64 list = command->prp2, *entry;

	if (!copy_piece(nvme, command->prp1, &data, &left, to_guest))
		return STATUS_TRANSFER;
	if (left && left <= NVME_PAGE) {
		if (!copy_piece(nvme, list, &data, &left, to_guest))
			return STATUS_TRANSFER;
	}
	while (left) {
		entry = list % sizeof(*entry) ? NULL :
			(u64 *)guest_memory(nvme, list, sizeof(*entry));
		if (!entry)
			return STATUS_TRANSFER;
		/* The last entry of a page of the list names the next page of it. */
		if (list % NVME_PAGE == NVME_PAGE - sizeof(*entry) && left > NVME_PAGE) {
			list = *entry & ~(NVME_PAGE - 1ull);
			continue;
		}
		if (!copy_piece(nvme, *entry, &data, &left, to_guest))
			return STATUS_TRANSFER;
		list += sizeof(*entry);
	}
	return STATUS_OK;
}

static u16 queue_create(struct nvme *nvme, struct nvme_queue *queue, u64 addr, u32 size,
			u32 entry_size)
{
	char *entries = guest_memory(nvme, addr, (u64)size * entry_size);

	if (!entries || addr % NVME_PAGE || size < 2 || size > MAX_ENTRIES || queue->entries)
		return STATUS_FIELD | STATUS_DO_NOT_RETRY;
	*queue = (struct nvme_queue) { .entries = entries, .size = size, .phase = 1 };
	return STATUS_OK;
}

/* The queue that a command of the admin creates or deletes: not the admin's own */
static struct nvme_queue *named_queue(struct nvme_queue *queues, const struct command *command)
{
	u16 id = command->dword[0];

	return id && id < NVME_PAIRS ? &queues[id] : NULL;
}

static u16 create(struct nvme *nvme, const struct command *command, bool completions)
{
	struct nvme_queue *queue = named_queue(completions ? nvme->complete : nvme->submit,
					       command);
	u16 id = command->dword[0], status;

	/* Contiguous; a pair shares its number. */
	if (!queue || !(command->dword[1] & 1) ||
	    (!completions && (command->dword[1] >> 16 != id || !nvme->complete[id].entries)))
		return STATUS_QUEUE | STATUS_DO_NOT_RETRY;
	atomic_store(&nvme->doorbell[2 * id + completions], 0);
	status = queue_create(nvme, queue, command->prp1, (command->dword[0] >> 16) + 1,
			      completions ? COMPLETION_SIZE : SUBMISSION_SIZE);
	queue->interrupts = completions && command->dword[1] & 2;
	return status;
}

static u16 delete(struct nvme_queue *queues, const struct command *command)
{
	struct nvme_queue *queue = named_queue(queues, command);

	if (!queue || !queue->entries)
		return STATUS_QUEUE | STATUS_DO_NOT_RETRY;
	queue->entries = NULL;
	return STATUS_OK;
}

static void put_text(char *field, size_t size, const char *text)
{
	memset(field, ' ', size);
	memcpy(field, text, strlen(text));
}

static void put_value(char *field, u64 value, size_t size)
{
	memcpy(field, &value, size);
}

static u16 identify(struct nvme *nvme, const struct command *command)
{
	static const char name[] = "nqn.2014-08.org.nvmexpress:posted-doorbells";
	char data[NVME_PAGE] = "";

	switch (command->dword[0] & 0xff) {
	case 0: /* The namespace: its size three times, blocks of 512 bytes */
		if (command->namespace != 1)
			return STATUS_NAMESPACE | STATUS_DO_NOT_RETRY;
		put_value(data, nvme->blocks, 8);
		put_value(data + 8, nvme->blocks, 8);
		put_value(data + 16, nvme->blocks, 8);
		put_value(data + 130, 9, 1);
		break;
	case 1: /* The controller */
		put_text(data + 4, 20, "1");
		put_text(data + 24, 40, "Posted doorbells");
		put_text(data + 64, 8, "1");
		put_value(data + 77, MAX_TRANSFER_SHIFT, 1);
		put_value(data + 80, VERSION, 4);
		put_value(data + 111, 1, 1);
		/* The size of entries, as powers of two; namespaces; a cache to flush */
		put_value(data + 512, 0x66, 1);
		put_value(data + 513, 0x44, 1);
		put_value(data + 516, 1, 4);
		put_value(data + 525, 1, 1);
		/* Its name, to the byte that ends it */
		memcpy(data + 768, name, sizeof(name));
		break;
	case 2: /* The namespaces above one */
		if (command->namespace < 1)
			put_value(data, 1, 4);
		break;
	case 3: /* Names of the namespace: an EUI-64 */
		put_value(data, 0x0801, 2);
		put_value(data + 4, 0x0123456789abcdef, 8);
		break;
	default:
		return STATUS_FIELD | STATUS_DO_NOT_RETRY;
	}
	return transfer(nvme, command, data, sizeof(data), true);
}

/* All logs are empty. */
static u16 get_log(struct nvme *nvme, const struct command *command)
{
	u32 size = 4 * ((command->dword[0] >> 16) + 1);
	char data[NVME_PAGE] = "";

	if (command->dword[1] & 0xffff || size > sizeof(data))
		return STATUS_FIELD | STATUS_DO_NOT_RETRY;
	return transfer(nvme, command, data, size, true);
}

static u16 admin(struct nvme *nvme, const struct command *command, u32 *result)
{
	switch (command->opcode) {
	case ADMIN_CREATE_CQ:
	case ADMIN_CREATE_SQ:
		return create(nvme, command, command->opcode == ADMIN_CREATE_CQ);
	case ADMIN_DELETE_CQ:
		return delete(nvme->complete, command);
	case ADMIN_DELETE_SQ:
		return delete(nvme->submit, command);
	case ADMIN_IDENTIFY:
		return identify(nvme, command);
	case ADMIN_GET_LOG:
		return get_log(nvme, command);
	case ADMIN_SET_FEATURES:
		/* So many pairs, less one, whatever was asked for */
		if ((command->dword[0] & 0xff) == FEATURE_QUEUES)
			*result = (NVME_PAIRS - 2) | (NVME_PAIRS - 2) << 16;
		else if ((command->dword[0] & 0xff) != FEATURE_ASYNC_EVENT)
			return STATUS_FIELD | STATUS_DO_NOT_RETRY;
		return STATUS_OK;
	case ADMIN_ABORT:
		/* Too late */
		*result = 1;
		return STATUS_OK;
	case ADMIN_ASYNC_EVENT:
		/* There are no events. */
		return LATER;
	}
	return STATUS_OPCODE | STATUS_DO_NOT_RETRY;
}

static u16 read_or_write(struct nvme *nvme, const struct command *command)
{
	u64 start = command->dword[0] | (u64)command->dword[1] << 32;
	u32 count = (command->dword[2] & 0xffff) + 1;

	if (command->namespace != 1)
		return STATUS_NAMESPACE | STATUS_DO_NOT_RETRY;
	if (start > nvme->blocks || count > nvme->blocks - start)
		return STATUS_RANGE | STATUS_DO_NOT_RETRY;
	if (count * NVME_BLOCK > NVME_PAGE << MAX_TRANSFER_SHIFT)
		return STATUS_FIELD | STATUS_DO_NOT_RETRY;
	return transfer(nvme, command, nvme->disk + start * NVME_BLOCK, count * NVME_BLOCK,
			command->opcode == IO_READ);
}

static u16 io(struct nvme *nvme, const struct command *command)
{
	atomic_fetch_add_explicit(&nvme->requests, 1, memory_order_relaxed);
	switch (command->opcode) {
	case IO_READ:
	case IO_WRITE:
		return read_or_write(nvme, command);
	case IO_FLUSH:
		return STATUS_OK;
	}
	return STATUS_OPCODE | STATUS_DO_NOT_RETRY;
}

static void complete(struct nvme *nvme, int id, const struct command *command, u16 status,
		     u32 result)
{
	struct nvme_queue *queue = &nvme->complete[id];
	struct completion *slot = (struct completion *)queue->entries + queue->tail;

	slot->result = result;
	slot->reserved = 0;
	slot->head = nvme->submit[id].head;
	slot->queue = id;
	slot->id = command->id;
	/* The guest looks at this one first. */
	atomic_store_explicit((_Atomic u16 *)&slot->status, status << 1 | queue->phase,
			      memory_order_release);
	queue->posted = true;
	if (++queue->tail == queue->size) {
		queue->tail = 0;
		queue->phase ^= 1;
	}
}

static enum nvme_served serve_pair(struct nvme *nvme, int id)
{
	struct nvme_queue *submit = &nvme->submit[id], *done = &nvme->complete[id];
	enum nvme_served served = NVME_IDLE;
	struct command command;
	u32 tail, result;
	u16 status;

	while (submit->entries) {
		/* The guest has written the commands before it wrote the tail. */
		tail = atomic_load_explicit(&nvme->doorbell[2 * id], memory_order_acquire);
		if (submit->head == tail)
			break;
		if (tail >= submit->size) {
			atomic_fetch_or(&nvme->status, CSTS_FATAL);
			break;
		}
		done->head = atomic_load_explicit(&nvme->doorbell[2 * id + 1],
						  memory_order_acquire);
		if ((done->tail + 1) % done->size == done->head) {
			served = NVME_BLOCKED;
			break;
		}
		memcpy(&command, submit->entries + submit->head * SUBMISSION_SIZE,
		       sizeof(command));
		submit->head = (submit->head + 1) % submit->size;
		result = 0;
		status = id ? io(nvme, &command) : admin(nvme, &command, &result);
		if (status != LATER)
			complete(nvme, id, &command, status, result);
		served = NVME_BUSY;
	}
	if (done->posted && done->interrupts)
		nvme->interrupt(nvme->arg);
	done->posted = false;
	return served;
}

/* The guest has changed CC.EN. */
static void set_enabled(struct nvme *nvme, bool enabled)
{
	u32 sizes = nvme->admin_sizes, status = 0;
	int id;

	for (id = 0; id < NVME_PAIRS; id++) {
		nvme->submit[id].entries = NULL;
		nvme->complete[id].entries = NULL;
		atomic_store(&nvme->doorbell[2 * id], 0);
		atomic_store(&nvme->doorbell[2 * id + 1], 0);
	}
	if (enabled) {
		status = CSTS_READY;
		if (queue_create(nvme, &nvme->submit[0], nvme->admin_submissions,
				 (sizes & 0xfff) + 1, SUBMISSION_SIZE) ||
		    queue_create(nvme, &nvme->complete[0], nvme->admin_completions,
				 (sizes >> 16 & 0xfff) + 1, COMPLETION_SIZE))
			status = CSTS_FATAL;
		nvme->complete[0].interrupts = true;
	}
	nvme->enabled = enabled;
	atomic_store(&nvme->status, status);
}

enum nvme_served nvme_serve(struct nvme *nvme)
{
	u32 config = atomic_load_explicit(&nvme->config, memory_order_acquire);
	enum nvme_served served = NVME_IDLE, one;
	int id;

	if ((config & CC_ENABLE) != nvme->enabled) {
		set_enabled(nvme, config & CC_ENABLE);
		served = NVME_BUSY;
	}
	if (!nvme->enabled)
		return served;
	for (id = 0; id < NVME_PAIRS; id++) {
		one = serve_pair(nvme, id);
		if (one > served)
			served = one;
	}
	if (config & CC_SHUTDOWN)
		atomic_fetch_or(&nvme->status, CSTS_SHUT_DOWN);
	return served;
}
