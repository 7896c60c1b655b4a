/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_states.h - what the files of a session share with each other and with their unit test only.
 *
 * See: user/session.c (mover), user/session_dial.c.
 */
#pragma once

#include <stdbool.h>

#include "session.h"

/* The one mover: asserts that the move is legal. */
void session_set_state(struct session *s, enum session_state to);
bool session_move_is_legal(enum session_state from, enum session_state to);
/* Forgets a lookup or connection attempt under way. Idempotent. */
void session_dial_cancel(struct session *s);
