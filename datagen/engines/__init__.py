"""Where the stages run. One engine today: ``local``, on this machine."""
