"""Why an archive, or a member of one, is refused: a class for each reason, its docstring the remedy."""

from shared.errors import RejectedInput


class MemberTraversal(RejectedInput):
    """The member's name leads out of the archive; pack it under a name without `..`."""

    code = "member_traversal"


class MemberAbsolute(RejectedInput):
    """The member's name begins at the root; pack it under a relative name."""

    code = "member_absolute"


class MemberLink(RejectedInput):
    """The member is a link, and no link is followed; pack the file itself (`tar --dereference --hard-dereference`)."""

    code = "member_link"


class MemberSpecial(RejectedInput):
    """The member is a device, a pipe or something else that holds no bytes; leave it out."""

    code = "member_special"


class MemberSparse(RejectedInput):
    """The member is a sparse file, whose size is a claim alone; pack it without `--sparse`."""

    code = "member_sparse"


class MemberName(RejectedInput):
    """The member's name is no text in UTF-8, holds a NUL, or names nothing; rename the file and pack it again."""

    code = "member_name"


class NameTooLong(RejectedInput):
    """An object key holds 1,024 bytes, and this one would have more; shorten the member's name or the archive's."""

    code = "name_too_long"


class MemberDoubled(RejectedInput):
    """The archive holds another member of that name before this one, and the first one counts; rename one of them."""

    code = "member_doubled"


class MemberEncrypted(RejectedInput):
    """The member is encrypted; pack it without a password."""

    code = "member_encrypted"


class MemberDamaged(RejectedInput):
    """The member's bytes are not those that the archive promises; pack it again from the source."""

    code = "member_damaged"


class MemberCompression(RejectedInput):
    """The member is compressed in a way that Earmark does not read; pack it with deflate, or without compression."""

    code = "member_compression"


class KeyTaken(RejectedInput):
    """Another object, with other bytes, lies where the member belongs, and it is not overwritten; move one of them."""

    code = "key_taken"


class ArchiveTooDeep(RejectedInput):
    """Unpack the inner ones beforehand, or raise EARMARK_INGEST__ARCHIVE_DEPTH."""

    code = "archive_too_deep"


class BrokenArchive(RejectedInput):
    """The archive breaks off or is damaged; make it anew. Members that came before the damage are kept."""

    code = "archive_broken"


class TooManyMembers(RejectedInput):
    """Split the archive, or raise EARMARK_INGEST__ARCHIVE_MEMBERS."""

    code = "archive_too_many_members"


class ArchiveTooLarge(RejectedInput):
    """Split the archive, or raise EARMARK_INGEST__ARCHIVE_BYTES."""

    code = "archive_too_large"


class ArchiveExpansion(RejectedInput):
    """So small an archive holds less; raise EARMARK_INGEST__ARCHIVE_EXPANSION if it is meant."""

    code = "archive_expansion"


class ArchiveCompressed(RejectedInput):
    """Finding the place again where unpacking goes on takes too long; pack it without compression, or split it.

    Members that came before are kept.
    """

    code = "archive_compressed"


BOUNDS = (TooManyMembers, ArchiveTooLarge, ArchiveExpansion)
"""What ends the whole archive, wherever in it a bound is met."""
