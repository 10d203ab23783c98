import noxden

noxden.device()
