import noxden

noxden.register()
