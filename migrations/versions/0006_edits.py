"""edits and retries: a command may hold what it asks for, a trial counts its attempts"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    with op.batch_alter_table("command", schema=None) as batch_op:
        batch_op.add_column(sa.Column("payload", sa.JSON(none_as_null=True), nullable=True))
    with op.batch_alter_table("trial", schema=None) as batch_op:
        batch_op.add_column(sa.Column("attempts", sa.Integer(), nullable=False, server_default="1"))


def downgrade() -> None:
    """Go back."""
    with op.batch_alter_table("trial", schema=None) as batch_op:
        batch_op.drop_column("attempts")
    with op.batch_alter_table("command", schema=None) as batch_op:
        batch_op.drop_column("payload")
