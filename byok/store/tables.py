"""
The tables, as the newest migration leaves them.

A column is added here and in a new revision under `migrations/versions`; a test
compares the two. A table says since which revision it is there.
"""

import sqlalchemy as sa

SINCE = "since"
metadata = sa.MetaData()

virtual_keys = sa.Table(
    "virtual_keys",
    metadata,
    sa.Column("token_id", sa.String(32), primary_key=True),
    sa.Column("digest", sa.LargeBinary(32), nullable=False),
    sa.Column("pepper_id", sa.String(12), nullable=False),
    sa.Column("key_name", sa.String(16), nullable=False),
    sa.Column("key_alias", sa.String(255)),
    sa.Column("models", sa.JSON, nullable=False),
    sa.Column("expires_at", sa.Double),
    sa.Column("blocked", sa.Boolean, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("user_id", sa.String(255)),
    sa.Column("team_id", sa.String(255)),
    sa.Column("max_budget", sa.Double),
    sa.Column("soft_budget", sa.Double),
    sa.Column("budget_duration", sa.String(16)),
    sa.Column("rpm_limit", sa.BigInteger),
    sa.Column("tpm_limit", sa.BigInteger),
    sa.Column("max_parallel_requests", sa.BigInteger),
    sa.Column("permissions", sa.JSON, nullable=False),
    sa.Column("spend", sa.Double, nullable=False),
    sa.Column("previous_digest", sa.LargeBinary(32)),
    sa.Column("previous_expires_at", sa.Double),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("created_by", sa.String(255)),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Column("updated_by", sa.String(255)),
    sa.UniqueConstraint("digest", name="uq_virtual_keys_digest"),
    sa.UniqueConstraint("key_alias", name="uq_virtual_keys_key_alias"),
)
sa.Index("ix_virtual_keys_previous_digest", virtual_keys.c.previous_digest)
sa.Index("ix_virtual_keys_user_id", virtual_keys.c.user_id)
sa.Index("ix_virtual_keys_team_id", virtual_keys.c.team_id)
sa.Index("ix_virtual_keys_created_at", virtual_keys.c.created_at)

# How often each kind of record was changed: what other processes look at to
# learn whether what they know by heart still holds.
revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("subject", sa.String(32), primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
)
KEYS = "keys"

# What the records of decisions share; of those that have a pattern, the text is what
# fills its holes.
decision_patterns = sa.Table(
    "decision_patterns",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    info={SINCE: "0005"},
)

# What was decided about past exchanges. `number` grows by one with each; the text
# is the record, and beside it stands what is asked for often.
decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column(
        "number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True
    ),
    sa.Column("id", sa.String(64), nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("key_id", sa.String(32), nullable=False),
    sa.Column("key", sa.String(255), nullable=False),
    sa.Column("deployment", sa.String(255)),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("payer", sa.String(16)),
    sa.Column("has_shadow", sa.Boolean, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("pattern", sa.String(32)),
    sa.UniqueConstraint("id", name="uq_decisions_id"),
    info={SINCE: "0002"},
)

# What was learned about the keys that clients bring; of the key itself a digest.
provider_keys = sa.Table(
    "provider_keys",
    metadata,
    sa.Column("digest", sa.LargeBinary(32), primary_key=True),
    sa.Column("organization", sa.String(64)),
    sa.Column("owner", sa.String(300)),
    sa.Column("learned_at", sa.Double, nullable=False),
    sa.Column("released_by", sa.String(300)),
    sa.Column("released_at", sa.Double),
    info={SINCE: "0003"},
)
sa.Index("ix_provider_keys_learned_at", provider_keys.c.learned_at)
