"""An export goes to the Hugging Face hub as a dataset: private unless asked otherwise, and over no other dataset.

The token is the hub client's own (``HF_TOKEN``, or what ``hf auth login`` stored); it stands in no message and no file.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NoReturn

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError

from datagen.errors import ExportError
from datagen.export.dataset_folder import CHECKSUMS, MANIFEST
from datagen.masking import masked
from datagen.validator.files import first_line, why_no_hub

MOST_FILES = 10_000
"""What the hub takes in one folder, says its page on storage limits."""
_OF_THE_HUB = ".gitattributes"


class HubDataset:
    """A dataset repository that an export may be put into.

    Made before the export is written, so that what stands against it is told first.

    Args:
        repo: ``NAME``, or ``OWNER/NAME``.
        is_public: Whether anybody may see it.

    Attributes:
        repo: With its owner.
        is_private: As it is on the hub, or will be.

    Raises:
        ExportError: There is no token, no network, no right to it, or it holds something else.
    """

    def __init__(self, repo: str, *, is_public: bool = False) -> None:
        self.repo = repo
        self._token = huggingface_hub.get_token()
        if self._token is None:
            raise ExportError(f"--push {repo}: there is no token of the hub; set HF_TOKEN, or run 'hf auth login'.")
        away = "HF_HUB_OFFLINE is set" if huggingface_hub.constants.HF_HUB_OFFLINE else why_no_hub()
        if away is not None:
            raise ExportError(f"--push {repo}: the hub is out of reach ({masked(away, self._token)}); try again later.")
        self._hub = huggingface_hub.HfApi(token=self._token)
        try:
            owner = self._hub.whoami()["name"]
            self.repo = repo if "/" in repo else f"{owner}/{repo}"
            found = self._hub.dataset_info(self.repo)  # checks the name, too
        except RepositoryNotFoundError:
            self.is_private = not is_public
        except Exception as error:  # its client is another one in each version, with errors of its own
            self._refuse(error)
        else:
            self.is_private = bool(found.private)
            self._require_ours({one.rfilename for one in found.siblings or ()}, is_public=is_public)

    def _require_ours(self, names: set[str], *, is_public: bool) -> None:
        if not self.is_private and not is_public:
            raise ExportError(f"--push {self.repo}: is public on the hub; give --public too, or name another.")
        if names - {_OF_THE_HUB} and not {MANIFEST, CHECKSUMS} <= names:
            raise ExportError(f"--push {self.repo}: holds files and is no export of datagen's; name another.")

    def put(self, folder: Path) -> str:
        """Put an export there, in place of an earlier one.

        Args:
            folder: Of the export.

        Returns:
            Where it is.

        Raises:
            ExportError: The hub takes no such folder, or something failed on the way.
        """
        in_one = Counter(path.parent for path in folder.rglob("*")).most_common(1)
        if in_one and in_one[0][1] > MOST_FILES:
            told = f"{in_one[0][1]} files in {in_one[0][0].name}/, and the hub takes {MOST_FILES} in one folder"
            raise ExportError(f"--push {self.repo}: {told}; parquet and webdataset hold pictures in few files.")
        try:
            self._hub.create_repo(self.repo, repo_type="dataset", private=self.is_private, exist_ok=True)
            self._hub.upload_folder(
                repo_id=self.repo,
                repo_type="dataset",
                folder_path=folder,
                delete_patterns="*",  # shards of an earlier export that this one does not have
                commit_message="Export of datagen",
            )
        except Exception as error:  # as above
            self._refuse(error, f"; {folder} is whole, so the same command tries again")
        return f"{huggingface_hub.constants.ENDPOINT}/datasets/{self.repo}"

    def _refuse(self, error: Exception, after: str = "") -> NoReturn:
        status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
        if isinstance(error, HFValidationError):
            told = "is no name of a repository; give NAME or OWNER/NAME"
        elif status == 401:
            told = "the hub does not take the token; make one with the right to write, and set HF_TOKEN"
        elif status == 403:
            told = "the token has no right to write there"
        else:
            told = f"the hub did not take it ({masked(first_line(error), self._token)})"
        raise ExportError(f"--push {self.repo}: {told}{after}.") from None
