/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IRQLU_VECTOR_H
#define _IRQLU_VECTOR_H

#include <stddef.h>
#include <json-c/json.h>

/* The members of a vector */
#define VECTOR_MEMBERS	"vector,irq,address,data,irte,state,cpus,affinity,handler,count"

struct json_object *vectors_read(const char *bdf);
struct json_object *vectors_read_all(const char * const members[], size_t nr_members);

#endif /* _IRQLU_VECTOR_H */
