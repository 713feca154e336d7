"""The archive that the tests of this room talk to."""

from orthanc import orthanc as orthanc
