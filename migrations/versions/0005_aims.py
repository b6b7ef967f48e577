"""trial: how far it breaks the limits of its job, and whether it is on the front of several objectives"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("trial", sa.Column("violation", sa.Double(), nullable=True))
    op.add_column("trial", sa.Column("front", sa.Boolean(), nullable=True))


def downgrade() -> None:
    """Go back."""
    op.drop_column("trial", "front")
    op.drop_column("trial", "violation")
